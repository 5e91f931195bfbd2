package join

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/media"
)

// Lines joins lines. format is ".csv", or else they are JSON, one object a line. The fields or columns named times hold seconds and
// are shifted. All files of CSV have the same header, which the joined one has once.
func Lines(w io.Writer, format string, times []string, pieces Pieces) error {
	out := bufio.NewWriter(w)
	var header []string
	for p, err := range pieces {
		if err == nil {
			var data []byte
			if data, err = p.read(); err == nil && format == ".csv" {
				header, err = addCSV(out, p, data, header, times)
			} else if err == nil {
				err = addJSON(out, p, data, times)
			}
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// addCSV writes the rows of a piece. header is nil before the first.
func addCSV(out io.Writer, p Piece, data []byte, header, times []string) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	rows, err := r.ReadAll()
	if err != nil {
		return header, p.corrupt("it is no CSV: %v", err)
	}
	if len(rows) == 0 {
		return header, nil
	}
	w := csv.NewWriter(out)
	switch {
	case header == nil:
		header = rows[0]
		_ = w.Write(header) // Flush keeps the error
	case !slices.Equal(header, rows[0]):
		return header, p.corrupt("its columns are %.60q, those of the first file %.60q", strings.Join(rows[0], ","), strings.Join(header, ","))
	}
	for n, row := range rows[1:] {
		for i, name := range header {
			if !slices.Contains(times, name) || row[i] == "" {
				continue
			}
			if row[i], err = shift(row[i], p.Start); err != nil {
				return header, p.corrupt("row %d: %s: %v", n+2, name, err)
			}
		}
		_ = w.Write(row)
	}
	w.Flush()
	return header, w.Error()
}

// addJSON writes the lines of a piece. The order of fields stays.
func addJSON(out io.Writer, p Piece, data []byte, times []string) error {
	number := 0
	for line := range bytes.Lines(data) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		shifted, err := shiftFields(line, p.Start, times)
		if err != nil {
			return p.corrupt("line %d: %v", number, err)
		}
		if _, err := out.Write(append(shifted, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// shiftFields returns an object with its times shifted.
func shiftFields(line []byte, by media.Ticks, times []string) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	var out []byte
	written := 0
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, errors.New("it is no JSON object")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, errors.New("it is no JSON object")
		}
		field, _ := name.(string)
		if !slices.Contains(times, field) || len(value) == 0 || !strings.ContainsRune("-0123456789", rune(value[0])) {
			continue
		}
		text, err := shift(string(value), by)
		if err != nil {
			return nil, errors.New(field + ": " + err.Error())
		}
		end := int(dec.InputOffset())
		out = append(append(out, line[written:end-len(value)]...), text...)
		written = end
	}
	if _, err := dec.Token(); err != nil || len(bytes.TrimSpace(line[dec.InputOffset():])) > 0 {
		return nil, errors.New("it is no JSON object")
	}
	return append(out, line[written:]...), nil
}

// shift returns a time in seconds, later by some microseconds.
func shift(text string, by media.Ticks) (string, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < -1e9 || v > 1e9 {
		return "", errors.New(strconv.Quote(text) + " is no time in seconds")
	}
	if by == 0 {
		return text, nil
	}
	return seconds(media.Ticks(math.Round(v*1e6)) + by), nil
}

// seconds formats microseconds as seconds: "12.5".
func seconds(t media.Ticks) string {
	return strconv.FormatFloat(float64(t)/1e6, 'f', -1, 64)
}
