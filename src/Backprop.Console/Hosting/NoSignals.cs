using Microsoft.Extensions.Hosting;

namespace Backprop.Console.Hosting;

/// <summary>A host begins and ends when its node says so, whatever signals the process gets.
/// </summary>
internal sealed class NoSignals : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
