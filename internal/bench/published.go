package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/mapreel/mapreel/pkg/forecast/published"
)

// comparePublished prints what others have published of jobs on AWS beside what a forecast says of them.
func comparePublished(ctx context.Context, out io.Writer) error {
	rows, constants, err := published.Rows(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "| job | | row | published | forecast | error |\n| --- | --- | --- | ---: | ---: | ---: |")
	for _, r := range rows {
		role := "check"
		if r.Fitted {
			role = "fitted"
		}
		digits := 1
		if r.Unit == "USD" {
			digits = 3
		}
		fmt.Fprintf(table, "| %s | %s | %s | %.*f %s | %.*f %s | %+.0f %% |\n", r.Source, r.What, role, digits, r.Published, r.Unit, digits, r.Forecast, r.Unit, 100*r.Error())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, c := range constants {
		fmt.Fprintln(out, "* "+c)
	}
	return nil
}
