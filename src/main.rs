//! The binary: hands its arguments to `cli`.

fn main() -> std::process::ExitCode {
    tickbase::cli::main(std::env::args_os())
}
