/**
 * Whose turn it is to accept, where several engines listen on copies of one socket: whoever has more than its share of
 * the connections leaves those that wait to the others. Injected, since it takes memory that all of them see.
 */
export interface AcceptTurns {
  /**
   * This engine has `load` client connections now, on their way included. Called whenever that changes, and about
   * twenty times a second.
   * @returns whether it may accept more
   */
  mayAccept(load: number): boolean;
}
