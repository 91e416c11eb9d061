using Backprop.Distributed.Links;
using Backprop.Distributed.Serving;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Engine.Gradients;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Tests.Serving;

/// <summary>A slice takes gradients in the encoding of the run, and in no other.</summary>
public sealed class SliceGuardTests
{
    private static readonly SlicePlan Plan = new(TestRun.Plan.Network.Layout, 2);

    [Theory]
    [InlineData(ElementEncoding.Fp32, ElementEncoding.Fp32, true)]
    [InlineData(ElementEncoding.Fp32, ElementEncoding.Bf16, false)]
    [InlineData(ElementEncoding.Bf16, ElementEncoding.Bf16, true)]
    [InlineData(ElementEncoding.Bf16, ElementEncoding.Fp32, false)]
    public void A_push_in_another_encoding_than_the_runs_is_refused(
        ElementEncoding run, ElementEncoding sent, bool isTaken)
    {
        FrameVerdict verdict = Check(run, sent, Plan.Pieces[0].Length);

        Assert.Equal(
            isTaken ? FrameVerdictKind.Accept : FrameVerdictKind.Refuse, verdict.Kind);
        if (!isTaken)
        {
            Assert.Contains($"as {sent}, where the run has {run}", verdict.Reason);
        }
    }

    [Fact]
    public void A_rounded_push_of_another_length_than_the_pieces_is_refused() => Assert.Contains(
        "elements", Check(
            ElementEncoding.Bf16, ElementEncoding.Bf16, Plan.Pieces[0].Length / 2).Reason);

    private static FrameVerdict Check(ElementEncoding run, ElementEncoding sent, int length) =>
        new SliceGuard(
            Plan, 0, new Generation(1), 5, new TransportSpecification(run)).Check(
            FrameHeader.Push(
                default, 1, 0, new TreeNode(0, 0), 0, Plan.Pieces[0].Offset, length, sent));
}
