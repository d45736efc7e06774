# The guide's short commands, for people who type them from habit. Each is quill-admin, and takes its
# options: just cs staging --dry-run

set positional-arguments

quill_admin := env("QUILL_ADMIN", "quill-admin")

alias ba := build-admin
alias cs := create-superadmin
alias up := update-permissions-remote
alias ar := add-role-remote
alias mr := migrate-remote

_list:
    @just --list --unsorted

# Build the admin image, push it, and let the job run exactly it
build-admin environment *options:
    @environment="$1"; shift; exec {{ quill_admin }} build --env "$environment" "$@"

# Create a superadmin, or make an existing user one
create-superadmin environment *options:
    @environment="$1"; shift; exec {{ quill_admin }} create-superadmin --env "$environment" "$@"

# Set a user's system permission level
update-permissions-remote environment *options:
    @environment="$1"; shift; exec {{ quill_admin }} update-permissions --env "$environment" "$@"

# Give a user a role
add-role-remote environment *options:
    @environment="$1"; shift; exec {{ quill_admin }} add-role --env "$environment" "$@"

# Run the application's database migrations
migrate-remote environment *options:
    @environment="$1"; shift; exec {{ quill_admin }} run-migrations --env "$environment" "$@"
