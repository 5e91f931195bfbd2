package definition

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxLabel = 40 // characters
	// maxBatchBytes is Step Functions' limit on MaxInputBytesPerBatch, the limit on any payload.
	maxBatchBytes = 256 << 10
	maxItems      = 100_000_000
)

func (l *loader) mapState(st *State, n *node, p surroundings, before readable) {
	m := &Map{}
	st.Map = m
	selecting := before
	selecting.mapItem = true
	m.Items = l.template(n.get("Items"), before)
	m.Selector = l.template(n.get("ItemSelector"), selecting)
	m.MaxConcurrency = l.number(n, "MaxConcurrency", Bounds{0, MaxSeconds, true}, &before)
	m.ToleratedFailureCount = l.number(n, "ToleratedFailureCount", Bounds{0, MaxSeconds, true}, &before)
	m.ToleratedFailurePercentage = l.number(n, "ToleratedFailurePercentage", Bounds{0, 100, false}, &before)
	if items := n.get("Items"); items != nil && items.kind != arrayNode {
		if items.kind != stringNode || m.Items != nil && m.Items.expr == nil {
			l.reportf(items, "must be an array or an expression")
		}
	}
	processor := n.get("ItemProcessor")
	if processor == nil {
		l.reportf(n, "ItemProcessor is missing")
		return
	}
	if !l.fields(processor, "StartAt", "States", "Comment", "ProcessorConfig") {
		return
	}
	m.Distributed = l.distributed(processor)
	l.description.Distributed = m.Distributed
	if m.Distributed {
		l.distributedFields(st, n, before)
	} else {
		for _, key := range []string{"ItemReader", "ItemBatcher", "Label"} {
			if f := n.get(key); f != nil {
				l.reportf(f, "only a DISTRIBUTED Map has %s", key)
			}
		}
	}
	m.Processor = l.scope(processor, surroundings{language: p.language, inInlineMap: !m.Distributed})
}

// distributed reads the ProcessorConfig.
func (l *loader) distributed(processor *node) bool {
	c := processor.get("ProcessorConfig")
	if c == nil || !l.fields(c, "Mode", "ExecutionType") {
		return false
	}
	switch mode := l.text(c, "Mode", false); mode {
	case "", "INLINE":
		if e := c.get("ExecutionType"); e != nil {
			l.reportf(e, "only a DISTRIBUTED Map has an ExecutionType")
		}
	case "DISTRIBUTED":
		if t := l.text(c, "ExecutionType", true); t != "" && t != "STANDARD" && t != "EXPRESS" {
			l.reportf(c.get("ExecutionType"), "must be STANDARD or EXPRESS")
		}
		return true
	default:
		l.reportf(c.get("Mode"), "must be INLINE or DISTRIBUTED")
	}
	return false
}

func (l *loader) distributedFields(st *State, n *node, before readable) {
	m := st.Map
	m.Label = l.text(n, "Label", false)
	if f := n.get("Label"); f != nil && f.kind == stringNode {
		l.label(f, m.Label)
	} else {
		m.Label = defaultLabel(st.Name)
	}
	if r := n.get("ItemReader"); r != nil {
		if n.get("Items") != nil {
			l.reportf(r, "a Map has Items or ItemReader, not both")
		}
		m.Reader = l.itemReader(r, before)
	}
	if b := n.get("ItemBatcher"); b != nil {
		m.Batcher = l.itemBatcher(b, before)
	}
}

func (l *loader) label(n *node, label string) {
	size := utf8.RuneCountInString(label)
	if size == 0 || size > maxLabel || strings.ContainsFunc(label, forbiddenInLabel) {
		l.reportf(n, "a label has 1 to %d characters, without spaces, wildcards, brackets and other special characters", maxLabel)
	}
	if first, ok := l.labels[label]; ok {
		l.reportf(n, "the label is already used by %s", first)
		return
	}
	l.labels[label] = n.path
}

func forbiddenInLabel(r rune) bool {
	return unicode.IsControl(r) || strings.ContainsRune(" \t\r\n<>{}[]?*\"#%\\^|~`$&,;:/", r)
}

// defaultLabel derives a label from the state's name. Step Functions generates a random one.
func defaultLabel(name string) string {
	label := []rune(strings.Map(func(r rune) rune {
		if forbiddenInLabel(r) {
			return '-'
		}
		return r
	}, name))
	return string(label[:min(len(label), maxLabel)])
}

var getObject = regexp.MustCompile(`^arn:[a-z-]+:states:::s3:getObject$`)

func (l *loader) itemReader(n *node, before readable) *ItemReader {
	if !l.fields(n, "Resource", "Arguments", "ReaderConfig") {
		return nil
	}
	r := &ItemReader{Resource: l.text(n, "Resource", true)}
	if r.Resource != "" && !getObject.MatchString(r.Resource) {
		l.reportf(n.get("Resource"), "only arn:aws:states:::s3:getObject is supported")
	}
	switch a := n.get("Arguments"); {
	case a == nil:
		l.reportf(n, "Arguments is missing")
	case a.kind == objectNode:
		l.fields(a, "Bucket", "Key")
		for _, key := range []string{"Bucket", "Key"} {
			if a.get(key) == nil {
				l.reportf(a, "%s is missing", key)
			}
		}
		r.Arguments = l.template(a, before)
	case a.kind == stringNode:
		r.Arguments = l.template(a, before)
		if r.Arguments != nil && r.Arguments.expr == nil {
			l.reportf(a, "must be an object or an expression")
		}
	default:
		l.reportf(a, "must be an object or an expression")
	}
	c := n.get("ReaderConfig")
	if c == nil {
		l.reportf(n, "ReaderConfig is missing; its InputType must be JSON")
		return r
	}
	if l.fields(c, "InputType", "MaxItems") {
		if t := l.text(c, "InputType", true); t != "" && t != "JSON" {
			l.reportf(c.get("InputType"), "only JSON is supported, not %s", t)
		}
		r.MaxItems = l.number(c, "MaxItems", Bounds{0, maxItems, true}, &before)
	}
	return r
}

func (l *loader) itemBatcher(n *node, before readable) *ItemBatcher {
	if !l.fields(n, "MaxItemsPerBatch", "MaxInputBytesPerBatch", "BatchInput") {
		return nil
	}
	if n.get("MaxItemsPerBatch") == nil && n.get("MaxInputBytesPerBatch") == nil {
		l.reportf(n, "needs MaxItemsPerBatch or MaxInputBytesPerBatch")
	}
	if i := n.get("BatchInput"); i != nil && i.kind != objectNode && i.kind != stringNode {
		l.reportf(i, "must be an object or an expression")
	}
	return &ItemBatcher{
		MaxItems: l.number(n, "MaxItemsPerBatch", Bounds{1, maxItems, true}, &before),
		MaxBytes: l.number(n, "MaxInputBytesPerBatch", Bounds{1, maxBatchBytes, true}, &before),
		Input:    l.template(n.get("BatchInput"), before),
	}
}
