//! Each view against the API: what it shows is what the server answers.
