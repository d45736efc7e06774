//! Journeys: written once, run against every world.
