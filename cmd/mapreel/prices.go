package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/prices"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/printable"
)

type pricesCmd struct {
	JSON    bool   `name:"json" help:"Print the table as JSON."`
	Refresh bool   `help:"Read AWS's public price files, check them, and write a newer table to the configuration folder. If a file is broken or incomplete, nothing is changed."`
	From    string `placeholder:"DIR|URL" help:"With --refresh: a folder or an address that has the price files. Default: ${offers}."`
	EC2     bool   `name:"ec2" help:"With --refresh: also the prices of instances, whose file has hundreds of megabytes."`
}

// Help is shown by mapreel prices --help.
func (pricesCmd) Help() string {
	return `Estimates and costs are computed from this table: the list prices of one region, with the source of each and how sure it is.

Examples:

    mapreel prices
    mapreel prices --refresh
    mapreel prices --refresh --from prices-of-today/    # AWSLambda.json, AmazonStates.json, … from AWS's addresses

Exit codes: 0 done; 1 a price file cannot be had or is broken; 2 the usage is wrong; 130 interrupted.`
}

// run prints the table of prices, after it has renewed it where that is asked for.
func (c pricesCmd) run(ctx context.Context, env environment) error {
	table := prices.Table(env.Stderr)
	switch {
	case c.Refresh:
		newer, err := prices.Refresh(ctx, table, c.From, c.EC2, time.Now(), env.Stderr)
		if err != nil {
			return interruptedOr(ctx, err, snapshot{})
		}
		if err := storePrices(newer, env); err != nil {
			return err
		}
		table = newer
	case c.From != "" || c.EC2:
		return fault.New(fault.Invalid, "--from and --ec2 belong to --refresh")
	}
	if c.JSON {
		return printJSON(env.Stdout, table, "the prices")
	}
	prices.Write(env.Stdout, table)
	return nil
}

func storePrices(table price.Table, env environment) error {
	path, err := prices.Path()
	if err != nil {
		return err
	}
	data, err := table.Format()
	if err != nil {
		return fault.Wrap(fault.Internal, err, "write the prices")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "write the prices")
	}
	if err := replaceFile(path, "write the prices", data); err != nil {
		return err
	}
	printable.Fprintf(env.Stderr, "wrote %s\n", path)
	return nil
}

// printJSON writes a value with indents. what names it in an error.
func printJSON(w io.Writer, v any, what string) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return fault.Wrap(fault.Internal, enc.Encode(v), "print "+what)
}
