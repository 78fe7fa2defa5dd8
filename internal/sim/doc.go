// SPDX-License-Identifier: AGPL-3.0-or-later

// Package sim plays a community on the real engine over a real store: people, honest and careless workers, operators,
// with faults on the way to the disk, restarts and jumps of the clock, all from one seed. It has tests only.
package sim
