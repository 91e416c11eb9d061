using Akka.Actor;

namespace Backprop.Distributed.Nodes;

/// <summary>To the part of a run from itself: there is something to look at.</summary>
internal sealed record LookNow : INoSerializationVerificationNeeded
{
    private LookNow()
    {
    }

    public static LookNow Instance { get; } = new();
}

/// <summary>To the part of a run from its timer: something may be late.</summary>
internal sealed record LookWhatIsLate
    : INotInfluenceReceiveTimeout, INoSerializationVerificationNeeded
{
    private LookWhatIsLate()
    {
    }

    public static LookWhatIsLate Instance { get; } = new();
}
