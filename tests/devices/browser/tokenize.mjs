// node tokenize.mjs tokenizer.json < texts.json: the ids that the page's own tokenizer gives for each text, and whether it was cut.

import { readFileSync } from "node:fs";
import { wordPiece } from "../../../edgebench/devices/browser/page/wordpiece.js";

const [, , file, maxTokens] = process.argv;
const encode = wordPiece(JSON.parse(readFileSync(file, "utf-8")), Number(maxTokens));
const texts = JSON.parse(readFileSync(0, "utf-8"));
process.stdout.write(JSON.stringify(texts.map((text) => [encode(text).ids, encode(text).truncated])));
