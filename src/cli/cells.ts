/** Code points that take two columns of a terminal. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
/** Characters that a terminal would act upon; tabs and newlines are gone before they are looked for. */
const CONTROL = /[\p{Cc}\p{Bidi_Control}]/gu;
const SEGMENTER = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Columns that a text takes on a terminal. */
export function textWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of SEGMENTER.segment(text)) width += WIDE.test(segment) ? 2 : 1;
  return width;
}

/** Lines of a cell: tabs become spaces, and no control character reaches the terminal as such. */
export function cellLines(text: string): readonly string[] {
  return text
    .replaceAll('\r\n', '\n')
    .split('\n')
    .map((line) =>
      line
        .replaceAll('\t', '    ')
        .replace(CONTROL, (char) => `\\x${char.codePointAt(0)!.toString(16).padStart(2, '0')}`),
    );
}

/** Fills a text up to `width` columns. */
export function padCell(text: string, width: number, align: 'left' | 'right' | 'centre'): string {
  const space = Math.max(0, width - textWidth(text));
  if (align === 'left') return text + ' '.repeat(space);
  if (align === 'right') return ' '.repeat(space) + text;
  const left = Math.floor(space / 2);
  return ' '.repeat(left) + text + ' '.repeat(space - left);
}
