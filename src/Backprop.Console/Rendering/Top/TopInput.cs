using Backprop.Console.Client;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;

namespace Backprop.Console.Rendering.Top;

/// <summary>What <c>backprop top</c> hears.</summary>
internal abstract record TopInput
{
    private TopInput()
    {
    }

    /// <summary>An event of the cluster and its list of runs.</summary>
    /// <param name="Event">The event.</param>
    public sealed record Told(ServerEvent Event) : TopInput;

    /// <summary>An event of a run.</summary>
    /// <param name="Run">The run.</param>
    /// <param name="Event">The event.</param>
    public sealed record ToldOfRun(RunId Run, ServerEvent Event) : TopInput;

    /// <summary>A key.</summary>
    /// <param name="Key">The key.</param>
    public sealed record Pressed(ConsoleKeyInfo Key) : TopInput;

    /// <summary>What has become of a request of the user's.</summary>
    /// <param name="Outcome">In words.</param>
    public sealed record Answered(string Outcome) : TopInput;
}

/// <summary>What a user wants of whoever shows <c>backprop top</c>.</summary>
internal abstract record TopRequest
{
    private TopRequest()
    {
    }

    /// <summary>A run's course is to change.</summary>
    /// <param name="Run">The run.</param>
    /// <param name="Wanted">How.</param>
    public sealed record Control(RunId Run, RunControl Wanted) : TopRequest;

    /// <summary>It is enough.</summary>
    public sealed record Quit : TopRequest;
}

/// <summary>What follows from an input.</summary>
/// <param name="Next">The state from now on.</param>
/// <param name="Request">What is to be done; null: nothing.</param>
internal readonly record struct TopDecision(TopState Next, TopRequest? Request);

/// <summary>What <c>backprop top</c> shows.</summary>
internal enum TopPage
{
    /// <summary>The cluster and its runs.</summary>
    Runs,

    /// <summary>The selected run.</summary>
    Detail,

    /// <summary>The keys.</summary>
    Help,
}
