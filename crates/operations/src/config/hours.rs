//! The hours in which an environment is usually worked on, as in `mon-fri 08:00-18:00 Europe/London`.
//!
//! To change the form: the `FromStr` of [`WorkingHours`] and `FORM`. `review/judge.rs` uses the hours.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::{self, TimeZone};

/// The hours in which an environment is usually worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkingHours {
    days: Vec<Weekday>,
    from: Time,
    to: Time,
    /// `None` where this machine knows no time zones at all.
    zone: Option<TimeZone>,
    written: String,
}

/// The days, as they are written.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// The form, for messages.
const FORM: &str = "it is days, hours and a time zone, as in \"mon-fri 08:00-18:00 Europe/London\"";

impl WorkingHours {
    /// Whether times can be compared with them: not on a machine that knows no time zones.
    #[must_use]
    pub const fn can_be_judged(&self) -> bool {
        self.zone.is_some()
    }

    /// The day and the time in their zone, as in `Sat 23:10`, of a time that is outside of them. Their end is
    /// outside: work until 18:00 ends before 18:00. Public holidays are not known.
    #[must_use]
    pub fn outside(&self, time: Timestamp) -> Option<String> {
        let local = self.zone.as_ref()?.to_datetime(time);
        let inside = self.days.contains(&local.date().weekday())
            && self.from <= local.time()
            && local.time() < self.to;
        (!inside).then(|| local.strftime("%a %H:%M").to_string())
    }
}

impl fmt::Display for WorkingHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl FromStr for WorkingHours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [days, hours, zone] = parts.as_slice() else { return Err(FORM.to_owned()) };
        let mut worked = Vec::new();
        for part in days.to_ascii_lowercase().split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let place = |name: &str| {
                let found = DAYS.iter().position(|(day, _)| *day == name);
                found.ok_or_else(|| {
                    format!("\"{}\" is no day: mon, tue, wed, thu, fri, sat, sun", name.escape_debug())
                })
            };
            let (first, last) = (place(first)?, place(last)?);
            if first > last {
                return Err(format!("the days \"{part}\" end before they begin: the week begins with mon"));
            }
            worked.extend(DAYS[first..=last].iter().map(|(_, day)| *day));
        }
        let (from, to) = hours.split_once('-').ok_or(FORM)?;
        // The end of a day is written as 24:00, which is not a time of that day.
        let (from, to) = (time(from)?, if to == "24:00" { Time::MAX } else { time(to)? });
        if from >= to {
            return Err(format!(
                "the hours \"{hours}\" end before they begin: hours over midnight cannot be written"
            ));
        }
        let zone = match TimeZone::get(zone) {
            Ok(zone) => Some(zone),
            // Tasks can be run on such a machine all the same.
            Err(_) if tz::db().available().next().is_none() => None,
            Err(_) => {
                let name = zone.escape_debug();
                return Err(format!(
                    "\"{name}\" is no time zone that this machine knows, such as Europe/London"
                ));
            }
        };
        Ok(Self { days: worked, from, to, zone, written: parts.join(" ") })
    }
}

fn time(text: &str) -> Result<Time, String> {
    let wrong = || format!("\"{}\" is no time such as 08:00", text.escape_debug());
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    if hour.len() != 2 || minute.len() != 2 {
        return Err(wrong());
    }
    let number = |text: &str| text.parse::<i8>().map_err(|_| wrong());
    Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().expect("a time")
    }

    #[test]
    fn a_time_is_compared_in_the_zone_of_the_hours() {
        let hours: WorkingHours = "mon-fri 08:00-18:00 Europe/London".parse().expect("valid");
        // In summer, London is an hour ahead of UTC.
        let outside = |time| hours.outside(at(time));
        assert_eq!(outside("2026-07-01T07:00:00Z"), None);
        assert_eq!(outside("2026-07-01T06:59:59Z").as_deref(), Some("Wed 07:59"));
        assert_eq!(outside("2026-07-01T17:00:00Z").as_deref(), Some("Wed 18:00"), "the end is outside");
        assert_eq!(outside("2026-12-01T07:30:00Z").as_deref(), Some("Tue 07:30"));
        assert_eq!(outside("2026-12-01T17:59:59Z"), None);
        assert_eq!(outside("2026-11-28T12:00:00Z").as_deref(), Some("Sat 12:00"));
        assert_eq!(hours.to_string(), "mon-fri 08:00-18:00 Europe/London");
    }

    #[test]
    fn days_can_be_listed_and_a_day_can_be_whole() {
        let hours: WorkingHours = "Mon-Wed,sat 00:00-24:00 UTC".parse().expect("valid");
        assert_eq!(hours.outside(at("2026-11-28T23:59:59Z")), None);
        assert_eq!(hours.outside(at("2026-11-27T12:00:00Z")).as_deref(), Some("Fri 12:00"));
    }

    #[test]
    fn what_is_no_hours_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "days, hours and a time zone"),
            ("mon-fri 08:00-18:00", "days, hours and a time zone"),
            ("mon-fri 8-18 UTC", "\"8\" is no time"),
            ("mon-fri 08:00 UTC", "days, hours and a time zone"),
            ("mon-fri 08:00-25:00 UTC", "\"25:00\" is no time"),
            ("mon-fri 18:00-08:00 UTC", "end before they begin"),
            ("fri-mon 08:00-18:00 UTC", "end before they begin"),
            ("mon-funday 08:00-18:00 UTC", "\"funday\" is no day"),
            ("mon-fri 08:00-18:00 Europe/Londn", "Europe/Londn"),
        ] {
            let refused = text.parse::<WorkingHours>().expect_err(text);
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
