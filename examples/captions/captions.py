#!/usr/bin/env python3
"""Writes captions of a piece of sound: INPUT_FILE_PATH, a WAV file, to captions.srt and captions.vtt in TMP_OUTPUT_DIR.

A recogniser prints "word start end" for each word, in seconds of the piece. mapreel shifts the times to those of the film.
"""
import os
import re
import shlex
import subprocess
import sys
import wave

LINE = 42  # characters of a line, two of which are a cue
LONGEST = 6.0  # seconds of a cue
PAUSE = 0.6  # seconds without a word that end a cue
SPEED = 17  # characters that people read in a second
LEAST = 1.0  # seconds that a cue stays at least
GAP = 0.08  # seconds between two cues

MODEL = "/usr/share/pocketsphinx/model/en-us/"
POCKETSPHINX = [
    "pocketsphinx_continuous", "-time", "yes", "-logfn", "/dev/null", "-hmm", MODEL + "en-us", "-lm", MODEL + "en-us.lm.bin",
    "-dict", MODEL + "cmudict-en-us.dict", "-infile",
]


def recognise(path):
    """Returns the words of a file as (text, start, end)."""
    command = shlex.split(os.environ.get("RECOGNISER", "")) or POCKETSPHINX
    try:
        run = subprocess.run(command + [path], stdout=subprocess.PIPE, text=True, check=True)
    except FileNotFoundError:
        sys.exit(f"{command[0]} is not installed")
    except subprocess.CalledProcessError as e:
        sys.exit(f"{command[0]} failed with code {e.returncode}")
    return parse(run.stdout)


def parse(text):
    """Returns the words in a recogniser's output. What is not said has a name in brackets: <sil>, [NOISE]. Other lines are skipped."""
    words = []
    for line in text.splitlines():
        match = re.fullmatch(r"([^\s<\[+]\S*) (\d+\.?\d*) (\d+\.?\d*)( \S+)?", line)
        if match:
            word = re.sub(r"\(\d+\)$", "", match[1])  # the number of a pronunciation
            words.append((word, float(match[2]), float(match[3])))
    return words


def wrap(words):
    """Returns words in one line, or in two of about the same length."""
    text = [w[0] for w in words]
    if len(" ".join(text)) <= LINE:
        return [" ".join(text)]
    at = min(range(1, len(text)), key=lambda i: abs(len(" ".join(text[:i])) - len(" ".join(text[i:]))), default=0)
    return [" ".join(text[:at]), " ".join(text[at:])] if at else [" ".join(text)]


def split(words):
    """Divides words without a long pause into cues, at the longest pauses that leave no cue short."""
    fits = all(len(line) <= LINE for line in wrap(words)) and words[-1][2] - words[0][1] <= LONGEST
    if fits or len(words) == 1:
        return [words]
    middle = len(words) / 2
    at = max(range(1, len(words)), key=lambda i: words[i][1] - words[i - 1][2] - 0.5 * abs(i - middle) / middle)
    return split(words[:at]) + split(words[at:])


def cues(words, length):
    """Returns cues as (start, end, lines). length is that of the piece."""
    groups = []
    for word in words:
        if not groups or word[1] - groups[-1][-1][2] >= PAUSE:
            groups.append([])
        groups[-1].append(word)
    groups = [cue for group in groups for cue in split(group)]
    result = []
    for i, group in enumerate(groups):
        start, lines = group[0][1], wrap(group)
        wanted = max(group[-1][2], start + LEAST, start + sum(map(len, lines)) / SPEED)
        limit = groups[i + 1][0][1] - GAP if i + 1 < len(groups) else length
        result.append((start, max(min(wanted, limit), start + 0.04), lines))
    return result


def stamp(seconds, point):
    ms = round(seconds * 1000)
    return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"


def main():
    path, out = os.environ["INPUT_FILE_PATH"], os.environ["TMP_OUTPUT_DIR"]
    with wave.open(path) as sound:
        length = sound.getnframes() / sound.getframerate()
    found = cues(recognise(path), length)
    with open(os.path.join(out, "captions.srt"), "w", encoding="utf-8") as srt:
        for i, (start, end, lines) in enumerate(found):
            srt.write(f"{i + 1}\n{stamp(start, ',')} --> {stamp(end, ',')}\n" + "\n".join(lines) + "\n\n")
    with open(os.path.join(out, "captions.vtt"), "w", encoding="utf-8") as vtt:
        vtt.write("WEBVTT\n\n")
        for start, end, lines in found:
            text = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;")
            vtt.write(f"{stamp(start, '.')} --> {stamp(end, '.')}\n{text}\n\n")


if __name__ == "__main__":
    main()
