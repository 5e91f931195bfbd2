package price

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// readOffer reads a bulk price file. It holds one product or term at a time, and those that are wanted: EC2's file has hundreds of
// megabytes.
func readOffer(file io.Reader, list []wanted) (offerFile, error) {
	f := offerFile{products: map[string]product{}, terms: map[string]map[string]term{}}
	dec := json.NewDecoder(file)
	err := eachField(dec, func(name string) error {
		switch name {
		case "offerCode":
			return dec.Decode(&f.code)
		case "publicationDate":
			return dec.Decode(&f.published)
		case "products":
			return eachField(dec, func(sku string) error {
				var p product
				if err := dec.Decode(&p); err != nil {
					return err
				}
				if slices.ContainsFunc(list, func(w wanted) bool { return w.match(p) }) {
					f.products[sku] = p
				}
				return nil
			})
		case "terms":
			return eachField(dec, func(kind string) error {
				if kind != "OnDemand" {
					return eachField(dec, func(string) error { return skip(dec) })
				}
				return f.readTerms(dec)
			})
		}
		return skip(dec)
	})
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is something after the end of the JSON")
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return f, err
}

// readTerms reads the On-Demand terms of the products that are wanted, which come before them in AWS's files.
func (f *offerFile) readTerms(dec *json.Decoder) error {
	return eachField(dec, func(sku string) error {
		if _, ok := f.products[sku]; !ok {
			return skip(dec)
		}
		var terms map[string]term
		if err := dec.Decode(&terms); err != nil {
			return err
		}
		f.terms[sku] = terms
		return nil
	})
}

// eachField calls read for each field of the object that comes next. read must consume the field's value.
func eachField(dec *json.Decoder, read func(name string) error) error {
	opening, err := dec.Token()
	if err != nil {
		return err
	}
	if opening != json.Delim('{') {
		return fmt.Errorf("%v where an object should begin, at byte %d", opening, dec.InputOffset())
	}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string) // names of fields are strings
		if err := read(name); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

func skip(dec *json.Decoder) error {
	var value json.RawMessage
	return dec.Decode(&value)
}
