// SPDX-License-Identifier: AGPL-3.0-or-later

package web

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"stablemate/horde"
)

// Measures of a plot, in its own units.
const (
	plotWidth, plotHeight = 640, 180
	plotLeft, plotBottom  = 64, 24
	plotTop               = 12
)

// plot is a row of bars over time, with the same figures as a table.
type plot struct {
	ID, Title string
	Unit      string
	SVG       template.HTML
	Rows      []plotRow
	Sum       string
}

type plotRow struct{ When, Much string }

// clockOf is how moments of a span are written.
func clockOf(span horde.StatSpan) string {
	if span == horde.LastMonth {
		return "2 Jan"
	}
	return "15:04"
}

// newPlot draws a series. Value is what a step is worth; the sum is told in words, for those who do not see bars.
func newPlot(id, title, unit string, span horde.StatSpan, series []horde.StatPoint, value func(horde.Made) float64) plot {
	p := plot{ID: id, Title: title, Unit: unit}
	top, sum := 0.0, 0.0
	for _, at := range series {
		v := value(at.Made)
		top, sum = max(top, v), sum+v
		if v > 0 {
			p.Rows = append(p.Rows, plotRow{at.At.Format(clockOf(span)), short(v)})
		}
	}
	p.Sum = short(sum)
	scale := nice(top)
	inner := float64(plotHeight - plotBottom - plotTop)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="plot" viewBox="0 0 %d %d" role="img" aria-labelledby="%s-title" focusable="false"><title id="%s-title">%s: %s %s in all, at most %s at once</title>`,
		plotWidth, plotHeight, id, id, template.HTMLEscapeString(title), p.Sum, template.HTMLEscapeString(unit), short(top))
	for _, part := range []float64{0, 0.5, 1} {
		y := plotTop + inner*(1-part)
		fmt.Fprintf(&b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`,
			plotLeft, plotWidth, y, y, plotLeft-8, y+4, short(scale*part))
	}
	step := float64(plotWidth-plotLeft) / float64(max(1, len(series)))
	for i, at := range series {
		if h := inner * value(at.Made) / scale; h > 0 {
			fmt.Fprintf(&b, `<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, plotLeft+float64(i)*step+step/10, plotTop+inner-h, step*0.8, h)
		}
	}
	for i, anchor := range map[int]string{0: "start", len(series) / 2: "middle", len(series) - 1: "end"} {
		if i >= 0 && i < len(series) {
			x := plotLeft + float64(plotWidth-plotLeft)*float64(i)/float64(max(1, len(series)-1))
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="%s">%s</text>`, x, plotHeight-6, anchor, series[i].At.Format(clockOf(span)))
		}
	}
	b.WriteString(`</svg>`)
	p.SVG = template.HTML(b.String()) //nolint:gosec // made of numbers, times and escaped words of our own
	return p
}

// nice is the next round number, at least 1.
func nice(v float64) float64 {
	scale := 1.0
	for {
		for _, step := range []float64{1, 2, 5} {
			if scale*step >= v {
				return scale * step
			}
		}
		scale *= 10
	}
}

// short writes a figure for people: 950, 12.5 k, 3.2 M.
func short(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e4, " k"}} {
		if v >= unit.size {
			size := unit.size
			if size == 1e4 {
				size = 1e3
			}
			return trim(v/size) + unit.name
		}
	}
	return trim(v)
}

func trim(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

// mega writes millions of things.
func mega(things int64) string { return trim(float64(things) / 1e6) }

// helpers are what templates call.
func helpers() template.FuncMap {
	return template.FuncMap{
		"count": func(n int64) string { return short(float64(n)) },
		"int":   func(n int) string { return short(float64(n)) },
		"mega":  mega,
	}
}
