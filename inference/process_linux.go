// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// childAttributes puts a runner into a process group of its own, so that a Ctrl-C at the terminal reaches the bot alone
// and running generations get their grace, and has the kernel kill it when the thread that started it ends.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// lowerPriority makes every thread of a runner yield to other programs.
func lowerPriority(pid, nice int) error {
	return syscall.Setpriority(syscall.PRIO_PGRP, pid, nice)
}

// Stdio returns the pipes that a runner process speaks over. What native libraries print to standard output goes to
// standard error from then on, as it would garble the frames. Call it once, before any model is opened.
func Stdio() (in io.Reader, out io.Writer, err error) {
	fd, err := syscall.Dup(1)
	if err != nil {
		return nil, nil, fmt.Errorf("keep standard output: %w", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.Dup3(2, 1, 0); err != nil {
		return nil, nil, fmt.Errorf("turn standard output to standard error: %w", err)
	}
	return os.Stdin, os.NewFile(uintptr(fd), "runner-output"), nil
}
