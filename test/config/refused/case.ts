/** One change of the good file and the finding it must lead to. */
export interface Refused {
  readonly because: string;
  readonly from: string;
  /** `¦` stands where the finding must point. */
  readonly to: string;
  readonly code: string;
  readonly help?: string;
  /** With those that follow from it. */
  readonly findings?: number;
}
