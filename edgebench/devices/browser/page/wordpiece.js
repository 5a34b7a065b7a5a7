// A tokenizer.json (BERT: WordPiece) and a text -> the ids that the library `tokenizers` gives for it.
//
// Its steps, in its order: special tokens in the raw text; clean; spaces around ideographs; strip accents; lower case;
// words and punctuation; the longest piece that is known; the special tokens around; cut.

import * as unicode from "./unicode.js";

const [REMOVED, SPACE, IDEOGRAPH, MARK, PUNCTUATION] = [unicode.REMOVED, unicode.SPACE, unicode.IDEOGRAPH, unicode.MARK, unicode.PUNCTUATION].map(table);
const WHITE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/u; // where words end
// characters that newer versions of Unicode take apart, and the library does not
const WHOLE = /([\u{105c9}\u{105e4}\u{11383}\u{11385}\u{1138e}\u{11391}\u{113c5}\u{113c7}\u{113c8}\u{11938}\u{16121}-\u{16128}\u{16d68}-\u{16d6a}])/u;

/** The tokenizer of a parsed tokenizer.json; an Error names what of it is not known here. */
export function wordPiece(file, maxTokens) {
  const model = expected(file.model, "WordPiece", "model");
  const normalizer = expected(file.normalizer, "BertNormalizer", "normalizer");
  expected(file.pre_tokenizer, "BertPreTokenizer", "pre_tokenizer");
  const vocabulary = new Map(Object.entries(model.vocab));
  const unknown = vocabulary.get(model.unk_token);
  const { before, after } = around(file.post_processor);
  const special = new Map(file.added_tokens.map((one) => [one.content, one]));
  const split = splitter([...special.values()]);
  const room = maxTokens - before.length - after.length;

  function pieces(word, ids) {
    const letters = [...word];
    const found = [];
    for (let start = 0; start < letters.length; ) {
      let end = letters.length;
      let id;
      while (end > start) {
        const piece = letters.slice(start, end).join("");
        id = vocabulary.get(start ? model.continuing_subword_prefix + piece : piece);
        if (id !== undefined) break;
        end -= 1;
      }
      if (id === undefined) return ids.push(unknown);
      found.push(id);
      start = end;
    }
    for (const one of found) ids.push(one);
  }

  /** { ids, truncated } of one text. */
  return function encode(text) {
    const ids = [];
    for (const part of split ? text.split(split) : [text]) {
      if (special.has(part)) ids.push(special.get(part).id);
      else for (const word of words(normalized(part, normalizer))) {
        if (length(word) > model.max_input_chars_per_word) ids.push(unknown);
        else pieces(word, ids);
      }
    }
    return { ids: [...before, ...ids.slice(0, room), ...after], truncated: ids.length > room };
  };
}

function expected(part, type, name) {
  if (part?.type !== type) throw new Error(`the tokenizer's ${name} is ${part?.type}; this page knows ${type}`);
  return part;
}

/** The ids that stand before and after a single text. */
function around(processor) {
  if (processor?.type === "BertProcessing") return { before: [processor.cls[1]], after: [processor.sep[1]] };
  const steps = expected(processor, "TemplateProcessing", "post_processor").single;
  const ids = steps.map((step) => (step.SpecialToken ? processor.special_tokens[step.SpecialToken.id].ids : null));
  const at = ids.indexOf(null);
  return { before: ids.slice(0, at).flat(), after: ids.slice(at + 1).flat() };
}

/** What cuts a text at its special tokens and keeps them. */
function splitter(tokens) {
  const odd = tokens.find((one) => one.normalized || one.lstrip || one.rstrip || one.single_word);
  if (odd) throw new Error(`the tokenizer's added token ${odd.content} is matched in a way that this page does not know`);
  const escaped = tokens.map((one) => one.content).sort((one, other) => other.length - one.length).map((one) => one.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"));
  return escaped.length ? new RegExp(`(${escaped.join("|")})`, "u") : null;
}

function normalized(text, { clean_text, handle_chinese_chars, strip_accents, lowercase }) {
  if (clean_text) text = each(text, (code, one) => (isIn(REMOVED, code) ? "" : isIn(SPACE, code) ? " " : one));
  if (handle_chinese_chars) text = each(text, (code, one) => (isIn(IDEOGRAPH, code) ? ` ${one} ` : one));
  if (strip_accents ?? lowercase) text = each(apart(text), (code, one) => (isIn(MARK, code) ? "" : one));
  return lowercase ? each(text, (code, one) => one.toLowerCase()) : text; // one by one: a sigma at the end of a word is no other one
}

function apart(text) {
  return WHOLE.test(text) ? text.split(WHOLE).map((one) => (WHOLE.test(one) ? one : one.normalize("NFD"))).join("") : text.normalize("NFD");
}

function words(text) {
  const found = [];
  let word = "";
  const end = () => {
    if (word) found.push(word);
    word = "";
  };
  for (const one of text) {
    if (WHITE.test(one)) end();
    else if (isIn(PUNCTUATION, one.codePointAt(0))) {
      end();
      found.push(one);
    } else word += one;
  }
  end();
  return found;
}

function each(text, change) {
  let out = "";
  for (const one of text) out += change(one.codePointAt(0), one);
  return out;
}

function length(word) {
  let count = 0;
  for (const _ of word) count += 1;
  return count;
}

/** First and last code points of ascending ranges, one after the other. */
function table(text) {
  const numbers = text.split(" ").map((one) => parseInt(one, 36));
  const ends = [];
  for (let at = 0, end = 0; at < numbers.length; at += 2) {
    ends.push(end + numbers[at], (end += numbers[at] + numbers[at + 1]));
  }
  return Uint32Array.from(ends);
}

function isIn(ends, code) {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] < code) low = middle + 1;
    else high = middle;
  }
  return low < ends.length && (low % 2 === 1 || ends[low] === code);
}
