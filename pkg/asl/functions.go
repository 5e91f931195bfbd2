package asl

import (
	"crypto/md5" // $hash offers it because Step Functions does; nothing here relies on it
	"crypto/rand"
	"crypto/sha1" // likewise
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	mathrand "math/rand/v2"

	"github.com/recolabs/gnata"
)

// maxRange is the number of elements that Step Functions lets a range function make.
const maxRange = 1000

// builtins are the functions of JSONata and those that Step Functions adds.
var builtins = gnata.NewCustomEnv(addedFunctions(mathrand.Float64))

func isBuiltin(name string) bool {
	_, ok := builtins.Lookup(name)
	return ok
}

// addedFunctions are what Step Functions adds to JSONata. random gives numbers in [0, 1).
func addedFunctions(random func() float64) map[string]gnata.CustomFunc {
	return map[string]gnata.CustomFunc{
		"partition": func(args []any, _ any) (any, error) { return partition(args) },
		"range":     func(args []any, _ any) (any, error) { return numberRange(args) },
		"hash":      func(args []any, _ any) (any, error) { return hashOf(args) },
		"uuid":      func([]any, any) (any, error) { return uuid(), nil },
		"parse":     func(args []any, _ any) (any, error) { return parseJSON(args) },
		"random": func(args []any, _ any) (any, error) {
			if len(args) == 0 {
				return random(), nil
			}
			return seededRandom(args)
		},
	}
}

// boundFunctions returns the added functions as values that an evaluation can bind.
func boundFunctions(random func() float64) map[string]any {
	added := addedFunctions(random)
	env := gnata.NewCustomEnv(added)
	bound := make(map[string]any, len(added))
	for name := range added {
		bound[name], _ = env.Lookup(name)
	}
	return bound
}

func partition(args []any) (any, error) {
	if len(args) != 2 {
		return nil, errors.New("$partition takes an array and the size of its parts")
	}
	if args[0] == nil {
		return nil, nil // undefined in, undefined out, as everywhere in JSONata
	}
	list, ok := args[0].([]any)
	if !ok {
		list = []any{args[0]} // JSONata does not tell one value from an array of one
	}
	size, ok := wholeNumber(args[1])
	if !ok || size < 1 {
		return nil, errors.New("$partition: the size of a part must be a positive integer")
	}
	parts := []any{}
	for len(list) > 0 {
		n := min(size, len(list))
		part := make([]any, n)
		for i := range part {
			part[i] = withNulls(list[i])
		}
		parts, list = append(parts, part), list[n:]
	}
	return parts, nil
}

func numberRange(args []any) (any, error) {
	if len(args) != 3 {
		return nil, errors.New("$range takes the first number, the last one and the step")
	}
	var n [3]int
	for i, arg := range args {
		v, ok := wholeNumber(arg)
		if !ok {
			return nil, fmt.Errorf("$range: argument %d is not an integer", i+1)
		}
		n[i] = v
	}
	first, last, step := n[0], n[1], n[2]
	if step == 0 {
		return nil, errors.New("$range: the step must not be zero")
	}
	if count := (float64(last)-float64(first))/float64(step) + 1; count > maxRange {
		return nil, fmt.Errorf("$range: %.0f elements are more than the %d allowed", math.Floor(count), maxRange)
	}
	list := []any{}
	for v := first; step > 0 && v <= last || step < 0 && v >= last; v += step {
		list = append(list, float64(v))
	}
	return list, nil
}

func hashOf(args []any) (any, error) {
	if len(args) != 2 {
		return nil, errors.New("$hash takes the data and the name of the algorithm")
	}
	if args[0] == nil {
		return nil, nil // undefined in, undefined out
	}
	data, ok := args[0].(string)
	if !ok {
		text, err := encode(args[0])
		if err != nil {
			return nil, fmt.Errorf("$hash: %w", err)
		}
		data = string(text)
	}
	b := []byte(data)
	switch args[1] {
	case "MD5":
		sum := md5.Sum(b) // see the import
		return hex.EncodeToString(sum[:]), nil
	case "SHA-1":
		sum := sha1.Sum(b) // see the import
		return hex.EncodeToString(sum[:]), nil
	case "SHA-256":
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:]), nil
	case "SHA-384":
		sum := sha512.Sum384(b)
		return hex.EncodeToString(sum[:]), nil
	case "SHA-512":
		sum := sha512.Sum512(b)
		return hex.EncodeToString(sum[:]), nil
	}
	return nil, fmt.Errorf("$hash: unknown algorithm %v; MD5, SHA-1, SHA-256, SHA-384 and SHA-512 exist", args[1])
}

// seededRandom gives the same number for the same seed, though not the number that Step Functions gives.
func seededRandom(args []any) (any, error) {
	text, err := encode(args[0])
	if len(args) != 1 || args[0] == nil || err != nil {
		return nil, errors.New("$random takes at most a seed")
	}
	h := fnv.New64a()
	h.Write(text)
	return mathrand.New(mathrand.NewPCG(h.Sum64(), 0)).Float64(), nil // not for secrets
}

// uuid returns a random UUID, version 4.
func uuid() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func parseJSON(args []any) (any, error) {
	if len(args) != 1 {
		return nil, errors.New("$parse takes one string")
	}
	if args[0] == nil {
		return nil, nil // undefined in, undefined out
	}
	text, ok := args[0].(string)
	if !ok {
		return nil, errors.New("$parse takes a string")
	}
	if !json.Valid([]byte(text)) {
		return nil, errors.New("$parse: the string is not JSON")
	}
	return gnata.DecodeJSON(json.RawMessage(text))
}

// wholeNumber reads an integer that a float64 holds exactly.
func wholeNumber(v any) (int, bool) {
	var f float64
	switch n := v.(type) {
	case float64:
		f = n
	case json.Number:
		var err error
		if f, err = n.Float64(); err != nil {
			return 0, false
		}
	default:
		return 0, false
	}
	return int(f), f == math.Trunc(f) && math.Abs(f) <= 1<<53
}
