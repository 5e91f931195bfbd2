package jsonata

import (
	"crypto/md5" // $hash supports it because Step Functions does; not used for security
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

// maxRange is the largest number of elements that Step Functions lets $range return.
const maxRange = 1000

// builtins holds the functions of JSONata and those that Step Functions adds.
var builtins = gnata.NewCustomEnv(addedFunctions(mathrand.Float64))

// IsFunction reports whether JSONata or Step Functions defines a function of that name, without its
// $.
func IsFunction(name string) bool {
	_, ok := builtins.Lookup(name)
	return ok
}

// Functions returns the functions that Step Functions adds to JSONata, as values to bind by name in
// Expression.Eval. random returns numbers in [0, 1) for $random.
func Functions(random func() float64) map[string]any {
	added := addedFunctions(random)
	env := gnata.NewCustomEnv(added)
	bound := make(map[string]any, len(added))
	for name := range added {
		bound[name], _ = env.Lookup(name)
	}
	return bound
}

func addedFunctions(random func() float64) map[string]gnata.CustomFunc {
	return map[string]gnata.CustomFunc{
		"partition": func(args []any, _ any) (any, error) { return partition(args) },
		"range":     func(args []any, _ any) (any, error) { return numberRange(args) },
		"hash":      func(args []any, _ any) (any, error) { return hashOf(args) },
		"uuid":      func([]any, any) (any, error) { return UUID(), nil },
		"parse":     func(args []any, _ any) (any, error) { return parseJSON(args) },
		"random": func(args []any, _ any) (any, error) {
			if len(args) == 0 {
				return random(), nil
			}
			return seededRandom(args)
		},
	}
}

func partition(args []any) (any, error) {
	if len(args) != 2 {
		return nil, errors.New("$partition takes an array and a chunk size")
	}
	if args[0] == nil {
		return nil, nil // undefined in, undefined out, as everywhere in JSONata
	}
	list, ok := args[0].([]any)
	if !ok {
		list = []any{args[0]} // JSONata treats a value and an array of one value alike
	}
	size, ok := wholeNumber(args[1])
	if !ok || size < 1 {
		return nil, errors.New("$partition: the chunk size must be a positive integer")
	}
	chunks := []any{}
	for len(list) > 0 {
		n := min(size, len(list))
		chunk := make([]any, n)
		for i := range chunk {
			chunk[i] = withNulls(list[i])
		}
		chunks, list = append(chunks, chunk), list[n:]
	}
	return chunks, nil
}

// numberRange implements $range. Step Functions returns a JSONata sequence, so a range of one
// number is that number. What Step Functions returns for an empty range is not recorded; here it is
// an empty array.
func numberRange(args []any) (any, error) {
	if len(args) != 3 {
		return nil, errors.New("$range takes the first number, the last number and the step")
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
		return nil, fmt.Errorf("$range: %.0f elements exceed the limit of %d", math.Floor(count), maxRange)
	}
	list := []any{}
	for v := first; step > 0 && v <= last || step < 0 && v >= last; v += step {
		list = append(list, float64(v))
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return list, nil
}

func hashOf(args []any) (any, error) {
	if len(args) != 2 {
		return nil, errors.New("$hash takes the data and the name of an algorithm")
	}
	if args[0] == nil {
		return nil, nil // undefined in, undefined out
	}
	data, ok := args[0].(string)
	if !ok {
		text, err := Encode(args[0])
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
	return nil, fmt.Errorf("$hash: unknown algorithm %v; MD5, SHA-1, SHA-256, SHA-384 and SHA-512 are supported", args[1])
}

// seededRandom returns the same number for the same seed. It is not the number that Step Functions
// returns.
func seededRandom(args []any) (any, error) {
	text, err := Encode(args[0])
	if len(args) != 1 || args[0] == nil || err != nil {
		return nil, errors.New("$random takes one optional seed")
	}
	h := fnv.New64a()
	h.Write(text)
	return mathrand.New(mathrand.NewPCG(h.Sum64(), 0)).Float64(), nil // not for secrets
}

// UUID returns a random UUID, version 4.
func UUID() string {
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

// wholeNumber returns the integer in v and reports whether v is one that a float64 represents
// exactly.
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
