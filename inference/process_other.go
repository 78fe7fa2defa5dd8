// SPDX-License-Identifier: AGPL-3.0-or-later

//go:build !linux

package inference

import (
	"io"
	"os"
	"syscall"
)

// childAttributes has nothing to ask of other systems: a runner ends when its standard input does.
func childAttributes() *syscall.SysProcAttr { return nil }

// lowerPriority does nothing on other systems.
func lowerPriority(int, int) error { return nil }

// Stdio returns the pipes that a runner process speaks over.
func Stdio() (in io.Reader, out io.Writer, err error) { return os.Stdin, os.Stdout, nil }
