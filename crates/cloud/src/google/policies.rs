//! The options with which IAM policies are asked for.

use google_cloud_iam_v1::model::GetPolicyOptions;

/// The options with which bindings that have a condition come whole. Without them the answer is of version 1: such a
/// binding has another role then, and no condition (`google.iam.v1.GetPolicyOptions.requested_policy_version`).
pub(super) fn with_conditions() -> GetPolicyOptions {
    GetPolicyOptions::new().set_requested_policy_version(3)
}
