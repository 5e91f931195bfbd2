// Package statemachine holds the workflow: the one definition in Amazon States Language that Step Functions runs on AWS
// and pkg/asl runs on one machine.
//
// The definition names no resource. Where one belongs it has a placeholder, ${Name}, that whoever runs it fills in:
//
//	body, err := statemachine.Substitute(map[string]string{"Analyse": analyseARN, "Partition": "aws", …})
//
// A task is a step of the machine that is mapreel's own work. Its name is also the stage's in pkg/stage, the folder's in
// functions/ and the function's in infra/; its placeholder stands for the ARN of what runs it.
package statemachine

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

//go:embed mapreel.asl.json
var definition string

// placeholder is the syntax of CloudFormation's definition substitutions, which fill the same placeholders on AWS.
var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9]+)\}`)

// Definition returns the definition with its placeholders. The caller owns the bytes.
func Definition() []byte { return []byte(definition) }

// Tasks lists the tasks in the order in which a job first meets them.
func Tasks() []string {
	return []string{"analyse", "split", "encode", "audio", "merge", "finish"}
}

// Placeholder names the placeholder that stands for the ARN of what runs task: "Analyse" for "analyse".
func Placeholder(task string) string {
	return strings.ToUpper(task[:1]) + task[1:]
}

// Placeholders lists the names of all placeholders, sorted, each once.
func Placeholders() []string {
	names := map[string]bool{}
	for _, match := range placeholder.FindAllStringSubmatch(definition, -1) {
		names[match[1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Substitute returns the definition with every placeholder replaced by its value. A placeholder without a value and a
// value without a placeholder are errors, and so is a value that would not survive where it is put: in a JSONata string
// within a JSON string.
func Substitute(values map[string]string) ([]byte, error) {
	names := Placeholders()
	for _, name := range names {
		if _, ok := values[name]; !ok {
			return nil, fmt.Errorf("state machine definition: no value for the placeholder ${%s}", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("state machine definition: it has no placeholder ${%s}", name)
		}
		if i := strings.IndexFunc(values[name], breaksOut); i >= 0 {
			return nil, fmt.Errorf("state machine definition: the value %q of ${%s} contains %q, which it cannot hold",
				values[name], name, values[name][i])
		}
	}
	return []byte(placeholder.ReplaceAllStringFunc(definition, func(match string) string {
		return values[match[2:len(match)-1]]
	})), nil
}

// breaksOut reports characters that would end or alter a JSONata string within a JSON string.
func breaksOut(r rune) bool {
	return r < ' ' || strings.ContainsRune(`"'\%`, r)
}
