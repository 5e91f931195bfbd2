package film

import "strings"

// NoticeMark begins a warning about what damages and changes nothing, and loses nothing that the output could have kept: a user should know it,
// and --strict does not count it.
const NoticeMark = "note: "

// IsNotice reports whether a warning, which may begin with the name of an output, is a notice.
func IsNotice(warning string) bool {
	return strings.HasPrefix(warning, NoticeMark) || strings.Contains(warning, ": "+NoticeMark)
}
