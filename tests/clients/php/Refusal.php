<?php

/*
 * A call that did not succeed. The message never holds what was sent, for that includes the credential.
 */

declare(strict_types=1);

namespace ChatHub;

use RuntimeException;

/** A refusal by ChatHub, or no answer at all. */
final class Refusal extends RuntimeException
{
    public function __construct(string $message, public readonly ?Answer $answer)
    {
        parent::__construct($message);
    }
}
