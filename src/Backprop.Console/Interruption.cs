using System.Runtime.InteropServices;

namespace Backprop.Console;

/// <summary>Ctrl-C and SIGTERM, taken as the wish that the run ends after its step. A second one
/// ends the process at once.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <summary>Cancelled by the first signal, or by <see cref="Request"/>.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>One that hears this process's signals.</summary>
    public static Interruption OfSignals()
    {
        var interruption = new Interruption();
        foreach (PosixSignal signal in (PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM])
        {
            interruption._registrations.Add(
                PosixSignalRegistration.Create(signal, interruption.OnSignal));
        }

        return interruption;
    }

    /// <summary>Asks the run to end after its step.</summary>
    public void Request() => _source.Cancel();

    /// <inheritdoc/>
    public void Dispose()
    {
        _registrations.ForEach(registration => registration.Dispose());
        _source.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = !_source.IsCancellationRequested;
        _source.Cancel();
    }
}
