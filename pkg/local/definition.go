package local

import (
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/work"
	"github.com/mapreel/mapreel/statemachine"
)

// classes are the functions that stand for Lambda's here.
var classes = append(work.UnitClasses(), work.ClassRender, work.ClassAnalyse, work.ClassFinish)

// functionARN names the function of a class here.
func functionARN(class work.Class) string { return "arn:local:lambda:::function:" + string(class) }

// Definition returns the state machine's definition as it runs here: with this machine's functions in its placeholders.
func Definition() ([]byte, error) {
	res := statemachine.Resources{
		Partition: "local", Analyse: functionARN(work.ClassAnalyse), Finish: functionARN(work.ClassFinish),
		BatchQueue: "local", GpuQueue: "local", Functions: map[string]string{}, JobDefinitions: map[string]string{},
	}
	for _, class := range append(work.UnitClasses(), work.ClassRender) {
		res.Functions[string(class)] = functionARN(class)
		for _, gpu := range []bool{false, true} {
			res.JobDefinitions[statemachine.JobDefinitionKey(string(class), gpu)] = string(class)
		}
	}
	definition, err := statemachine.Substitute(res)
	return definition, fault.Wrap(fault.Internal, err, "state machine")
}
