/**
 * Which suggestion is shown in a document, and how much of it stands there by now. Pure.
 *
 * VS Code tells an extension what is accepted, not what is shown, nor what is taken in part. The rest of a
 * suggestion into which somebody types is the same suggestion, though every answer gives it a new id.
 */

/** An item as VS Code was given it; offsets count UTF-16 units. */
export interface Offer {
  id: string;
  text: string;
  /** What it replaces. */
  start: number;
  end: number;
}

/** Who types something else after looking at a suggestion for so long has refused it. */
export const READ_MS = 750;

const CLOSERS = /^[)\]}"'`]*$/;

export class Ghost {
  readonly id: string;
  private readonly text: string;
  private readonly before: string;
  private readonly after: string;

  /** `document` is the text for which the item was made. */
  constructor(
    offer: Offer,
    document: string,
    readonly since: number,
  ) {
    this.id = offer.id;
    this.text = offer.text;
    this.before = document.slice(0, offer.start);
    this.after = document.slice(offer.end);
  }

  /** Whether taking either leaves the same document. */
  leadsWhere(other: Ghost): boolean {
    return this.after === other.after && this.before + this.text === other.before + other.text;
  }

  /** How much of it stands in `document`; -1 where something else does, undefined where other places changed. */
  taken(document: string): number | undefined {
    const { before, after, text } = this;
    const isSame =
      document.length >= before.length + after.length && document.startsWith(before) && document.endsWith(after);
    if (!isSame) {
      return undefined;
    }
    const middle = document.slice(before.length, document.length - after.length);
    let length = 0;
    while (length < middle.length && length < text.length && middle[length] === text[length]) {
      length++;
    }
    return CLOSERS.test(middle.slice(length)) ? length : -1;
  }

  /** Whether nothing is left of it to take. */
  isComplete(taken: number): boolean {
    return taken >= this.text.length;
  }
}
