//! Live data in each view: prices and alerts show while the page is open.
