/** Something that the person who started the command has to know and can mend: printed as one line, without a stack. */
export class Failure extends Error {}
