/** The pool's worker: piscina calls these by name. */
export { extractLayer } from './extract.js';
