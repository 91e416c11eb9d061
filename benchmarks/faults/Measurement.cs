namespace Backprop.Faults;

/// <summary>What a part of the table is given.</summary>
/// <param name="Report">For its lines.</param>
/// <param name="Repeats">Faults of each kind.</param>
/// <param name="Minutes">How long goodput is measured.</param>
/// <param name="Seed">Of the schedule of kills.</param>
/// <param name="HasPeer">Whether torchrun is measured as well.</param>
/// <param name="Program">The file <c>backprop.dll</c> that nodes run.</param>
internal sealed record Measurement(
    Report Report, int Repeats, double Minutes, int Seed, bool HasPeer, string Program);
