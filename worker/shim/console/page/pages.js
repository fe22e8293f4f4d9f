/*
 * The pages, in the order of the navigation. A page: `name` in the address, `title`, and a `short` one where
 * there is little room; `view(desk, rest)` is what
 * it shows; `keys` are listened to meanwhile; one that `needs` an
 * operation is there for who may ask for it.
 */

import { account } from "./pages/account.js";
import { book } from "./pages/book.js";
import { commands } from "./pages/commands.js";
import { incidents } from "./pages/incidents.js";
import { money } from "./pages/money.js";
import { terms } from "./pages/terms.js";
import { venues } from "./pages/venues.js";

export const PAGES = [book, account, terms, commands, incidents, money, venues];
