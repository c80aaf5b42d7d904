//! Words of alerts: whether one fired, and how far its delivery got.

use crate::domain::text_enum;

text_enum! {
    /// What came of a rule that matched.
    pub enum FiredStatus = "fired_status" {
        /// It fired.
        Fired = "fired",
        /// It matched and was held back.
        Suppressed = "suppressed",
        /// Evaluating it failed.
        Error = "error",
    }
}

text_enum! {
    /// How far the delivery of an alert got.
    pub enum DeliveryStatus = "delivery_status" {
        /// Not yet tried.
        Pending = "pending",
        /// Shown in the application.
        InAppSent = "in_app_sent",
        /// A sound was played.
        SoundPlayed = "sound_played",
        /// Sent to Slack.
        SlackSent = "slack_sent",
        /// Delivered on every channel.
        AllDelivered = "all_delivered",
        /// Given up.
        Failed = "failed",
    }
}

impl DeliveryStatus {
    /// Whether nothing more will be tried.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::AllDelivered | Self::Failed)
    }
}
