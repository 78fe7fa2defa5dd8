// SPDX-License-Identifier: AGPL-3.0-or-later

package inference

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Device is what a runner computes on.
type Device struct {
	// Provider is "cpu", "cuda", "webgpu" or "auto" for the best one that works.
	Provider string `json:"provider"`
	// Index is the number of the accelerator.
	Index int `json:"index,omitempty"`
	// Threads are CPU threads; 0 means one per core.
	Threads int `json:"threads,omitempty"`
	// Library is the path of the ONNX Runtime library.
	Library string `json:"library,omitempty"`
}

// String names the device in logs.
func (d Device) String() string {
	if d.Provider == "cpu" || d.Provider == "" {
		return "cpu"
	}
	return fmt.Sprintf("%s:%d", d.Provider, d.Index)
}

// Memory is what a process holds, in bytes; zero where the system does not tell.
type Memory struct {
	Resident int64 `json:"resident,omitempty"`
	Peak     int64 `json:"peak,omitempty"`
}

// defaultBudget is how many bytes of models a runner holds when nobody says and the system does not tell its memory.
const defaultBudget = 4 << 30

// memoryBudget is half of this machine's memory, which leaves room for what a model needs beside its weights.
func memoryBudget() int64 {
	if total := procValue("/proc/meminfo", "MemTotal:"); total > 0 {
		return total / 2
	}
	return defaultBudget
}

// ownMemory reads what this process holds.
func ownMemory() Memory {
	const status = "/proc/self/status"
	return Memory{Resident: procValue(status, "VmRSS:"), Peak: procValue(status, "VmHWM:")}
}

// procValue reads a line like "VmRSS:  1234 kB"; 0 when there is none, as on systems without /proc.
func procValue(path, key string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), key)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		if err != nil {
			return 0
		}
		return n << 10
	}
	return 0
}
