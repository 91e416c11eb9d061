namespace Backprop.Tests.Shared;

/// <summary>What something costs the garbage collector once it has been done before.</summary>
internal static class Allocations
{
    private const int WarmUps = 2;
    private const int Rounds = 5;

    /// <summary>Managed bytes that the calling thread allocates for <paramref name="step"/> in the
    /// steady state: the least of several rounds.</summary>
    /// <remarks>What is compiled, inflated or set aside for a thread is allocated once, and when is
    /// up to the runtime: a round may bear it however often the step was done before. What a step
    /// itself allocates is in every round.</remarks>
    public static long OfSteadyState(Action step)
    {
        for (int i = 0; i < WarmUps; i++)
        {
            step();
        }

        long least = long.MaxValue;
        for (int round = 0; round < Rounds && least > 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            step();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
