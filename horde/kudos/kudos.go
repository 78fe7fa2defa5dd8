// SPDX-License-Identifier: AGPL-3.0-or-later

// Package kudos knows what thanks are counted in and how they move: amounts in hundredths, ledger
// accounts, and balanced double-entry events. It is pure; nothing in it keeps state.
package kudos

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Amount is a number of kudos in hundredths. It may be negative.
type Amount int64

// One is a single kudos.
const One Amount = 100

// MaxAmount bounds what one movement may carry, so that sums of many movements cannot overflow.
const MaxAmount Amount = 1_000_000_000_000 * One

// FromFloat rounds half to even to hundredths. Values beyond MaxAmount, and NaN, become ±MaxAmount and 0.
func FromFloat(f float64) Amount {
	switch {
	case math.IsNaN(f):
		return 0
	case f > float64(MaxAmount/One):
		return MaxAmount
	case f < -float64(MaxAmount/One):
		return -MaxAmount
	}
	return Amount(math.RoundToEven(f * float64(One)))
}

// Whole makes an amount of n whole kudos.
func Whole(n int64) Amount { return Amount(n) * One }

// Float is the amount in kudos, for JSON and for people.
func (a Amount) Float() float64 { return float64(a) / float64(One) }

// Round is the amount rounded half to even to whole kudos.
func (a Amount) Round() Amount { return Amount(math.RoundToEven(a.Float())) * One }

// String prints kudos without needless zeros: "10", "10.5", "-0.25".
func (a Amount) String() string {
	return strconv.FormatFloat(a.Float(), 'f', -1, 64)
}

var errAmount = errors.New("an amount is a number of kudos with at most two decimals")

// Parse reads what a person typed: "10", "10.5", "0.25". Exponents, signs other than a leading minus
// and more than two decimals are refused.
func Parse(s string) (Amount, error) {
	s = strings.TrimSpace(s)
	negative := strings.HasPrefix(s, "-")
	whole, fraction, hasPoint := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if whole == "" || len(fraction) > 2 || hasPoint && fraction == "" {
		return 0, errAmount
	}
	digits := whole + (fraction + "00")[:2]
	for _, r := range digits {
		if r < '0' || r > '9' {
			return 0, errAmount
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || Amount(n) > MaxAmount {
		return 0, fmt.Errorf("%w, up to %s", errAmount, MaxAmount)
	}
	if negative {
		n = -n
	}
	return Amount(n), nil
}
