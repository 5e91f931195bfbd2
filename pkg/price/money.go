package price

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Money is an amount in nano-dollars: billionths of a US dollar. An int64 holds nine billion dollars.
type Money int64

// Dollar is one US dollar.
const Dollar Money = 1e9

// exact returns amount dollars as Money, half a nano-dollar rounded up. Amounts that an int64 cannot hold become the largest one.
func exact(dollars *big.Rat) Money {
	nano := new(big.Rat).Mul(dollars, big.NewRat(int64(Dollar), 1))
	twice := new(big.Int).Mul(nano.Num(), big.NewInt(2))
	twice.Add(twice, nano.Denom())
	rounded := twice.Div(twice, new(big.Int).Mul(nano.Denom(), big.NewInt(2)))
	if !rounded.IsInt64() {
		return Money(1<<63 - 1)
	}
	return Money(rounded.Int64())
}

// Decimal returns the amount in dollars, exactly, without zeros at the end: "0.0029".
func (m Money) Decimal() string {
	if m < 0 {
		return "-" + (-m).Decimal()
	}
	whole, rest := m/Dollar, m%Dollar
	text := strconv.FormatInt(int64(whole), 10)
	if rest == 0 {
		return text
	}
	return text + "." + strings.TrimRight(fmt.Sprintf("%09d", rest), "0")
}

// String returns the amount as people read it, in dollars: whole cents from ten cents upwards, and below that as many digits as
// show something, but never less than a millionth.
func (m Money) String() string {
	digits := 2
	switch {
	case m < 0:
		return "-" + (-m).String()
	case m == 0 || m >= Dollar/10:
	case m >= Dollar/100:
		digits = 3
	case m >= Dollar/1000:
		digits = 4
	default:
		digits = 6
	}
	return new(big.Rat).SetFrac64(int64(m), int64(Dollar)).FloatString(digits) + " USD"
}

// MarshalJSON writes the amount as a decimal number of dollars.
func (m Money) MarshalJSON() ([]byte, error) { return []byte(m.Decimal()), nil }

// UnmarshalJSON reads a decimal number of dollars.
func (m *Money) UnmarshalJSON(data []byte) error {
	var err error
	*m, err = ParseMoney(string(data))
	return err
}

// ParseMoney reads a decimal number of dollars, with or without USD after it: "2.50".
func ParseMoney(text string) (Money, error) {
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "USD"))
	r, err := parseDecimal(text)
	if err != nil {
		return 0, err
	}
	return exact(r), nil
}

// maxDecimal is longer than any price; a longer text, or an exponent, could be an enormous number.
const maxDecimal = 40

// parseDecimal reads a number that is not negative, such as 0.0000166667.
func parseDecimal(text string) (*big.Rat, error) {
	valid := len(text) > 0 && len(text) <= maxDecimal && strings.Trim(text, "0123456789.") == ""
	if r, ok := new(big.Rat).SetString(text); ok && valid {
		return r, nil
	}
	if len(text) > maxDecimal {
		text = text[:maxDecimal] + "…"
	}
	return nil, fmt.Errorf("%q is not an amount of dollars, such as 0.0029", text)
}
