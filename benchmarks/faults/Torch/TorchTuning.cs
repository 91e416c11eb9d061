namespace Backprop.Faults.Torch;

/// <summary>How a torchrun job is set up.</summary>
/// <param name="Name">That in a word.</param>
/// <param name="StepsPerCheckpoint">Steps from one checkpoint to the next.</param>
/// <param name="Options">Options of torchrun.</param>
internal sealed record TorchTuning(string Name, int StepsPerCheckpoint, string[] Options)
{
    /// <summary>As it comes.</summary>
    public static TorchTuning Default { get; } = new("default", 50, []);

    /// <summary>As fast as it can notice, and with little to do again.</summary>
    public static TorchTuning Tuned { get; } = new(
        "tuned", 10,
        ["--monitor_interval", "0.1", "--rdzv_conf", "last_call_timeout=1,join_timeout=60"]);

    /// <summary>Both.</summary>
    public static TorchTuning[] All { get; } = [Default, Tuned];
}
