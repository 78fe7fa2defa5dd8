// Package arch holds no code: its tests hold the plan of the house. They fail when a package imports what its room may
// not know, when code asks the machine for the time, or when a file says what the repository should not.
package arch
