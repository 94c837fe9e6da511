<?php

/*
 * What an operator may be. Deleted ones stay in the list: who counts its members counts them too.
 */

declare(strict_types=1);

namespace ChatHub;

/** The status of an operator. */
enum Status: int
{
    case Active = 0;
    case Inactive = 1;
    case Deleted = 2;
}
