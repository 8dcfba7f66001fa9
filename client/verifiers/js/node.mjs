#!/usr/bin/env node
// acta-verify.mjs on the command line, for Node 20 or later: node.mjs --policy POLICY RECEIPT...
//
// Exit status: 0 all receipts are good, 1 at least one is not, 2 a file cannot be read or is no policy.
import { readFileSync } from "node:fs";
import { parsePolicy, verifyReceipt } from "./acta-verify.mjs";

const [option, policyPath, ...paths] = process.argv.slice(2);
if (option !== "--policy" || paths.length === 0) {
  console.error("usage: node.mjs --policy POLICY RECEIPT...");
  process.exit(2);
}

/** Foreign text for a terminal: what moves the cursor, hides or reorders text is escaped. */
const printable = (text) => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
const moment = (time) => new Date(Math.min(Number(time), 2 ** 37) * 1000).toISOString().replace(".000", "");
const text = (bytes) => new TextDecoder().decode(bytes).trimEnd().split("\n");

let policy, receipts;
try {
  policy = await parsePolicy(readFileSync(policyPath));
  receipts = paths.map((path) => [path, readFileSync(path)]);
} catch (error) {
  console.error(printable(`${policyPath}: ${error.message}`));
  process.exit(2);
}
for (const [path, bytes] of receipts) {
  let said;
  try {
    const { entry, index, origin, size, witnesses } = await verifyReceipt(policy, bytes);
    const names = witnesses.map(({ name, time }) => `${name} (${moment(time)})`).join(", ") || "nobody";
    said = [`good. ${origin} has it as entry ${index} of ${size}; witnessed by ${names}.`, ...text(entry)];
  } catch (error) {
    said = [`NOT GOOD. ${error.message}`];
    process.exitCode = 1;
  }
  console.log(`${path}:`, said.map(printable).join("\n    "));
}
