//! Words of alerts: whether one fired, on what it is delivered, and how far its delivery got.

use crate::domain::text_enum;

text_enum! {
    /// The outcome of a match: fired or suppressed.
    pub enum FiredStatus = "fired_status" {
        /// It fired.
        Fired = "fired",
        /// It matched within the cooldown and did not fire.
        Suppressed = "suppressed",
        /// Evaluating it failed.
        Error = "error",
    }
}

text_enum! {
    /// The state of an alert's delivery, over all channels.
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
        /// It fired during a silence: nothing is tried, then or later.
        Silenced = "silenced",
    }
}

text_enum! {
    /// The state of an alert's delivery on one channel.
    pub enum DeliveryState = "delivery_state" {
        /// Not yet tried.
        Pending = "pending",
        /// The last attempt failed; another one will be made.
        Failed = "failed",
        /// Delivered.
        Delivered = "delivered",
        /// Given up: a dead letter, until someone asks for another try.
        Dead = "dead",
    }
}

text_enum! {
    /// The kind of a channel.
    pub enum ChannelKind = "kind" {
        /// A line in the log.
        Log = "log",
        /// The subscribers of this process, such as pages that are open.
        InApp = "in_app",
        /// A signed HTTP request.
        Webhook = "webhook",
        /// A webhook as Slack has them.
        Slack = "slack",
    }
}

impl ChannelKind {
    /// True when it sends HTTP requests, and so has a URL.
    #[must_use]
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Webhook | Self::Slack)
    }
}

impl DeliveryStatus {
    /// True when nothing more will be tried.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::AllDelivered | Self::Failed | Self::Silenced)
    }
}
