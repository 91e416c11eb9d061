using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Backprop.Benchmarks;

/// <summary>PyTorch's all_reduce by gloo, between two processes that wait to be asked.</summary>
internal sealed class AllReduce : IDisposable
{
    private const string Script = "benchmarks/peers/all_reduce.py";

    private readonly Process _process;

    private AllReduce(Process process) => _process = process;

    /// <summary>Starts it; null: there is no Python, or no PyTorch for it. To be called at the root
    /// of the checkout.</summary>
    public static AllReduce? Start()
    {
        try
        {
            Process process = Process.Start(new ProcessStartInfo("python3", Script)
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
            })!;
            var started = new AllReduce(process);
            if (started.TryMeasure(1 << 12, 0.1) is not null)
            {
                return started;
            }

            started.Dispose();
            return null;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    /// <summary>Median seconds of a round of so many bytes.</summary>
    public double Measure(int bytes, double seconds) => TryMeasure(bytes, seconds)
        ?? throw new InvalidOperationException($"{Script} has ended");

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }

    private double? TryMeasure(int bytes, double seconds)
    {
        try
        {
            _process.StandardInput.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{bytes} {seconds}"));
            _process.StandardInput.Flush();
            return _process.StandardOutput.ReadLine() is { } answer
                ? double.Parse(answer, CultureInfo.InvariantCulture)
                : null;
        }
        catch (IOException)
        {
            return null; // It has ended before it was asked.
        }
    }
}
