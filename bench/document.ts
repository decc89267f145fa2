import { join } from "node:path";
import { updatePage } from "./sections.ts";

updatePage(join(import.meta.dirname, ".."));
