//! Which of the listeners that share a port is given a connection, while one gateway takes over from another.
//!
//! What a newcomer would get wrong: that accepting until nothing is left, and then closing, loses no connection. Between
//! the two a client may connect, and the kernel resets what was connected and never accepted. So before a listener closes,
//! new connections are steered to the others: by a program of one instruction, which names the place of a listener in
//! the group. Places are in the order of listening, and the last takes the place of one that closes; so a gateway that
//! stops is followed, right behind its own listeners, by those of its successor.
//!
//! Without a successor there is no such place, and the kernel chooses among those there are, as it always does
//! (socket(7), `SO_ATTACH_REUSEPORT_CBPF`). On systems other than Linux nothing is steered.

use std::io;

use tokio::net::TcpListener;

/// Steers new connections to the listener at this place of the group, if there is one.
#[cfg(target_os = "linux")]
pub(super) fn steer_to(listener: &TcpListener, place: u32) -> io::Result<()> {
    use nix::libc::{sock_filter, sock_fprog};
    use nix::sys::socket::setsockopt;
    use nix::sys::socket::sockopt::AttachReusePortCbpf;

    /// "Return this number": BPF_RET with BPF_K.
    const RETURN: u16 = 0x06;
    let mut program = [sock_filter { code: RETURN, jt: 0, jf: 0, k: place }];
    let program = sock_fprog { len: 1, filter: program.as_mut_ptr() };
    setsockopt(listener, AttachReusePortCbpf, &program).map_err(io::Error::from)
}

/// Steers nothing.
#[cfg(not(target_os = "linux"))]
pub(super) fn steer_to(_: &TcpListener, _: u32) -> io::Result<()> {
    Ok(())
}

/// Lets the kernel choose, whatever a gateway that has stopped may have left.
pub(super) fn steer_nowhere(listener: &TcpListener) -> io::Result<()> {
    steer_to(listener, u32::MAX)
}
