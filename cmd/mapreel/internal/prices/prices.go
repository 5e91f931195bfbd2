// Package prices finds the table of prices that this user's commands go by, shows it, and renews it from AWS's price files.
package prices

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/printable"
)

// Path returns where a renewed table lies: in the user's configuration folder.
func Path() (string, error) {
	folder, err := os.UserConfigDir()
	return filepath.Join(folder, "mapreel", "prices.json"), fault.Wrap(fault.Invalid, err, "folder for the table of prices")
}

// Table returns the newer one of the program's table and the user's. One that cannot be used is left aside, with a warning.
func Table(stderr io.Writer) price.Table {
	own := price.Default()
	path, err := Path()
	if err != nil {
		return own // there is no place for another one
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return own
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(f, price.MaxTable+1))
		_ = f.Close() // it was only read
	}
	var newer price.Table
	if err == nil {
		newer, err = price.Parse(data)
	}
	if err != nil {
		printable.Fprintf(stderr, "mapreel: warning: %s cannot be used, prices are those of this program, of %s: %v (hint: mapreel prices --refresh writes it again)\n",
			path, own.Date, err)
		return own
	}
	if newer.Date < own.Date { // the program was renewed since
		return own
	}
	return newer
}

// Write writes the table for people.
func Write(w io.Writer, t price.Table) {
	printable.Fprintf(w, "list prices in %s, %s; no discounts, no free tier\n\n", t.Region, t.Date)
	unit, service := 0, 0
	for _, p := range t.Prices {
		unit, service = max(unit, len(perUnit(p))), max(service, len(p.Service))
	}
	for _, p := range t.Prices {
		printable.Fprintf(w, "%-*s  %-*s  %14s USD  %-6s  %s: %s\n", service, p.Service, unit, perUnit(p), p.USD, p.Sure, p.Read, source(p))
	}
	printable.Fprintf(w, "%-*s  %-*s  %14s      %-6s  %s\n", service, "EC2", unit, "Spot, share of On-Demand",
		fmt.Sprintf("%d to %d %%", t.Spot.Low, t.Spot.High), t.Spot.Sure, t.Spot.Source)
}

func perUnit(p price.Price) string {
	switch {
	case p.Per >= 1_000_000:
		return fmt.Sprintf("%d million %s", p.Per/1_000_000, p.Unit)
	case p.Per > 1:
		return fmt.Sprintf("%d %s", p.Per, p.Unit)
	}
	return p.Unit
}

func source(p price.Price) string {
	if p.Note == "" {
		return p.Source
	}
	return p.Source + " (" + p.Note + ")"
}

// Refresh returns a table with the prices of AWS's files. from is "", which is AWS itself, another address, or a folder that has
// the files under AWS's paths or as AWSLambda.json and so on. EC2's file is large and is read only if ec2 is set.
func Refresh(ctx context.Context, t price.Table, from string, ec2 bool, now time.Time, progress io.Writer) (price.Table, error) {
	if from == "" {
		from = price.Source
	}
	read := readFolder
	if strings.HasPrefix(from, "https://") || strings.HasPrefix(from, "http://") {
		read = download
	}
	today := price.Date(now.UTC().Format(time.DateOnly))
	for _, offer := range price.Offers() {
		if offer.Large && !ec2 {
			continue
		}
		file, err := read(ctx, from, offer, t.Region)
		if err != nil {
			return price.Table{}, err
		}
		next, kept, err := t.Update(offer, file, today)
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if ctx.Err() != nil {
			return price.Table{}, fault.ContextError(ctx)
		}
		if err != nil {
			return price.Table{}, fault.WithHint(fault.Wrap(fault.Corrupt, err, from), "the table of prices is as it was")
		}
		printable.Fprintf(progress, "%s: read\n", offer.Code)
		for _, id := range kept {
			printable.Fprintf(progress, "%s: has no price of %s, which stays as it was\n", offer.Code, id)
		}
		t = next
	}
	return t, nil
}

// Limits of a price file, in bytes: EC2's had some 400 MB in 2024, the others a few megabytes at most.
const (
	maxFile      = 256 << 20
	maxLargeFile = 2 << 30
)

func limited(r io.ReadCloser, offer price.Offer) io.ReadCloser {
	most := int64(maxFile)
	if offer.Large {
		most = maxLargeFile
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, most), r}
}

func readFolder(_ context.Context, folder string, offer price.Offer, region string) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(folder, filepath.FromSlash(offer.Path(region))))
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.Open(filepath.Join(folder, offer.Code+".json"))
	}
	if err != nil {
		return nil, fault.WithHint(fault.Wrap(fault.KindOf(err), err, "prices of "+offer.Code),
			"get it from "+price.Source+"/"+offer.Path(region))
	}
	return limited(f, offer), nil
}

// idle is how long the answer to a request for a price file may take to begin.
const idle = 30 * time.Second

func download(ctx context.Context, base string, offer price.Offer, region string) (io.ReadCloser, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = idle
	address := strings.TrimRight(base, "/") + "/" + offer.Path(region)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "--from")
	}
	response, err := (&http.Client{Transport: transport}).Do(request) //nolint:bodyclose // the caller closes what is returned
	if err != nil {
		return nil, fault.WithHint(fault.Wrap(fault.Transient, err, "prices of "+offer.Code), "without a network, download the files elsewhere and name their folder with --from")
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close() // it is not used
		return nil, fault.New(fault.NotFound, "prices of %s: %s answers %s", offer.Code, address, response.Status)
	}
	return limited(response.Body, offer), nil
}
