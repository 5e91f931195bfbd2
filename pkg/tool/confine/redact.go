package confine

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// leastPart is how many bytes a part of a secret has at least, to be hidden by itself. Shorter ones are in too many words.
const leastPart = 4

// hiddenTexts returns what must not be shown of secrets: their values, the lines of those with several, such as keys, and the values within
// those that are JSON, as Secrets Manager suggests. The longest come first, because one may contain another.
func hiddenTexts(secrets []string) (list []string) {
	for _, secret := range secrets {
		list = append(list, secret, strings.TrimSpace(secret))
		for part := range strings.Lines(secret) {
			if part = strings.TrimSpace(part); len(part) >= leastPart {
				list = append(list, part)
			}
		}
		decoder := json.NewDecoder(bytes.NewReader([]byte(secret)))
		decoder.UseNumber()
		var value any
		if decoder.Decode(&value) == nil {
			list = appendValues(list, value)
		}
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) })
	list = slices.Compact(list)
	return slices.DeleteFunc(list, func(text string) bool { return text == "" })
}

// appendValues appends the texts and numbers within a value of JSON.
func appendValues(list []string, value any) []string {
	switch v := value.(type) {
	case string:
		if len(v) >= leastPart {
			list = append(list, v)
		}
	case json.Number:
		if len(v) >= leastPart {
			list = append(list, v.String())
		}
	case []any:
		for _, element := range v {
			list = appendValues(list, element)
		}
	case map[string]any:
		for _, element := range v {
			list = appendValues(list, element)
		}
	}
	return list
}
