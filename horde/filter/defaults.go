// SPDX-License-Identifier: AGPL-3.0-or-later

package filter

import (
	_ "embed"
	"strconv"
	"strings"
)

// The lists are data: a line is one entry, fields are separated by tabs, lines that begin with # are comments.

//go:embed data/rules.txt
var rulesData string

//go:embed data/emoji.txt
var emojiData string

//go:embed data/substitutions.txt
var substitutionsData string

//go:embed data/negative.txt
var negativeData string

// Author is who the rules of Defaults are by.
const Author = "stablemate"

// Defaults are the rules a new horde begins with, numbered from 1.
func Defaults() []Rule {
	var out []Rule
	for i, fields := range table(rulesData, 3) {
		typ, _ := strconv.Atoi(fields[0]) // a type that is not a number is refused when the set is compiled
		out = append(out, Rule{
			ID: int64(i + 1), Type: typ, Regex: fields[1], Replacement: fields[2], Description: "built in", Author: Author,
		})
	}
	return out
}

func substitutions() []Rule {
	var out []Rule
	for _, fields := range table(substitutionsData, 3) {
		typ := typeAlways
		switch fields[0] {
		case "tags":
			typ = typeCountTags
		case "no tags":
			typ = typeNoTags
		}
		out = append(out, Rule{Type: typ, Regex: fields[1], Replacement: fields[2]})
	}
	return out
}

func defaultEmoji() []string {
	var out []string
	for _, fields := range table(emojiData, 1) {
		out = append(out, fields[0])
	}
	return out
}

func defaultTerms() string {
	var out []string
	for _, fields := range table(negativeData, 1) {
		out = append(out, fields[0])
	}
	return strings.Join(out, ", ")
}

// table reads lines of a number of fields; missing ones are empty.
func table(data string, fields int) (out [][]string) {
	for line := range strings.Lines(data) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		row := strings.SplitN(line, "\t", fields)
		for len(row) < fields {
			row = append(row, "")
		}
		out = append(out, row)
	}
	return out
}
