package wire

// Codes in the answer to a heartbeat.
const (
	BeatOK      = 10200
	BeatUnknown = 20404 // the client shall register again
)

// AppendBeat appends the answer to a heartbeat: whether the instance is known, when to
// beat next, and whether the next beat may leave out the instance.
func AppendBeat(dst []byte, known bool, intervalMillis int64, light bool) []byte {
	code := int64(BeatOK)
	if !known {
		code = BeatUnknown
	}
	dst = appendIntField(dst, `{"clientBeatInterval":`, intervalMillis)
	dst = appendIntField(dst, `,"code":`, code)
	dst = appendBoolField(dst, `,"lightBeatEnabled":`, light)
	return append(dst, '}')
}

// AppendBeatUnknown142 appends what Nacos 1.4.2 answers a heartbeat of an unknown instance.
func AppendBeatUnknown142(dst []byte, intervalMillis int64) []byte {
	dst = appendIntField(dst, `{"clientBeatInterval":`, intervalMillis)
	return append(appendIntField(dst, `,"code":`, BeatUnknown), '}')
}
