package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"testing"
)

func TestADrawingIsXMLWithALineForEachJob(t *testing.T) {
	p := newPanel("time, s", "at once", []int{10, 100})
	for i := range foretellings {
		p.set(i, 0, float64(10+i))
		p.set(i, 1, float64(1+i))
	}
	lines := 0
	for d := xml.NewDecoder(bytes.NewReader(drawing(p, p))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "polyline" {
			lines++
		}
	}
	if lines != 2*len(foretellings) {
		t.Errorf("%d lines, want %d", lines, 2*len(foretellings))
	}
	if got, want := ticks(1.5, 60), []float64{2, 5, 10, 20, 50}; !slices.Equal(got, want) {
		t.Errorf("ticks %v, want %v", got, want)
	}
}
