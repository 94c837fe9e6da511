<?php

/*
 * Plays the scenario with the settings of the environment.
 *
 *     CHATHUB_URL=http://127.0.0.1:2430 CHATHUB_LOGIN=… CHATHUB_PASSWORD=… CHATHUB_KEY=… php main.php
 *
 * Only the message of what went wrong is printed: PHP's own report of an exception shows arguments, and with them the
 * password.
 */

declare(strict_types=1);

use ChatHub\Scenario;
use ChatHub\Transcript;

spl_autoload_register(function (string $class): void {
    require __DIR__ . '/' . basename(strtr($class, '\\', '/')) . '.php';
});

try {
    $scenario = new Scenario(
        getenv('CHATHUB_URL'),
        new Transcript(),
        getenv('CHATHUB_LOGIN'),
        getenv('CHATHUB_PASSWORD'),
    );
    $scenario->play(getenv('CHATHUB_KEY'));
} catch (Throwable $problem) {
    fwrite(STDERR, "scenario: {$problem->getMessage()}\n");
    exit(1);
}
